"""Every mistake this room can report: its greppable code, BOSH's number, its fixed summary. A table, no logic.

Numbers are BOSH's (bosh-director.md appendix A) where BOSH has one for the mistake; otherwise that of the nearest kind.
"""

from typing import Final, NamedTuple


class Fault(NamedTuple):
    code: str
    number: int
    summary: str


# Reading text
SYNTAX: Final = Fault("yaml.syntax", 440001, "Text is not valid YAML")
TOO_LARGE: Final = Fault("yaml.too-large", 440001, "Text is too large")
TOO_DEEP: Final = Fault("yaml.too-deep", 440001, "Text is nested too deeply")
TOO_MANY_NODES: Final = Fault("yaml.too-many-nodes", 440001, "Text has too many values")
ALIAS_BOMB: Final = Fault("yaml.alias-bomb", 440001, "Aliases expand to too much")
ALIAS_UNKNOWN: Final = Fault("yaml.unknown-alias", 440001, "Alias of nothing")
ALIAS_CYCLE: Final = Fault("yaml.alias-cycle", 440001, "Alias contains itself")
BAD_MERGE: Final = Fault("yaml.bad-merge", 440001, "Merge key without a map")
BAD_TAG: Final = Fault("yaml.unknown-tag", 440001, "Tag that manifests may not use")
BAD_SCALAR: Final = Fault("yaml.bad-number", 440001, "Value that cannot be handled")
BAD_KEY: Final = Fault("yaml.key-not-text", 440001, "Key is not text")
DUPLICATE_KEY: Final = Fault("yaml.duplicate-key", 440001, "Key given twice")
CONTROL: Final = Fault("yaml.control-character", 440001, "Control character in text")
SEVERAL: Final = Fault("yaml.several-documents", 440001, "More than one document")
EMPTY: Final = Fault("yaml.empty", 440001, "Text is empty")
NOT_A_MAP: Final = Fault("yaml.root-not-a-map", 440001, "Root is not a map")
LOOKS_BOOLEAN: Final = Fault("yaml.looks-boolean", 440001, "Word is read as a boolean")

# Shape
WRONG_TYPE: Final = Fault("manifest.wrong-type", 40000, "Wrong type")
MISSING_KEY: Final = Fault("manifest.missing-key", 40001, "Missing key")
BELOW_MIN: Final = Fault("manifest.below-minimum", 40002, "Number too small")
ABOVE_MAX: Final = Fault("manifest.above-maximum", 40003, "Number too large")
UNKNOWN_KEY: Final = Fault("manifest.unknown-key", 40004, "Unknown key")
BAD_VALUE: Final = Fault("manifest.invalid-value", 40005, "Invalid value")
TOO_FEW: Final = Fault("manifest.empty-list", 40005, "List is empty")
REMOVED_KEY: Final = Fault("manifest.removed-key", 190014, "Key of another place or time")
TOO_MANY: Final = Fault("manifest.too-many-problems", 440001, "Too many mistakes to show")
UNFILLED: Final = Fault("manifest.unfilled-placeholder", 540001, "Placeholder without a value")
AMBIGUOUS_NUMBER: Final = Fault("manifest.ambiguous-number", 40000, "Number where text is wanted")
NOT_HONOURED: Final = Fault("manifest.not-honoured", 440001, "Key this director does not act on")
DEPRECATED: Final = Fault("manifest.deprecated", 440001, "Deprecated key")
NO_GROUPS: Final = Fault("manifest.missing-instance-groups", 40001, "Missing instance groups")

# Names, releases, stemcells
BAD_NAME: Final = Fault("manifest.bad-name", 40005, "Name with characters it may not have")
BAD_DNS_NAME: Final = Fault("manifest.bad-dns-name", 420001, "Name that DNS cannot carry")
DUPLICATE_RELEASE: Final = Fault("manifest.duplicate-release", 190002, "Release declared twice")
AMBIGUOUS_RELEASE: Final = Fault("manifest.ambiguous-release", 190001, "Both release and releases")
BAD_VERSION: Final = Fault("manifest.bad-version", 30010, "Version that cannot be read")
DUPLICATE_STEMCELL: Final = Fault("manifest.duplicate-stemcell-alias", 50005, "Stemcell alias declared twice")
STEMCELL_OS_OR_NAME: Final = Fault("manifest.stemcell-os-or-name", 40001, "Stemcell needs one of os and name")
NO_STEMCELLS: Final = Fault("manifest.no-stemcells", 190019, "No stemcells")

# Update rules and groups
BAD_COUNT: Final = Fault("manifest.impossible-count", 40005, "Impossible count")
BAD_WATCH: Final = Fault("manifest.bad-watch-time", 180001, "Watch time that cannot be read")
DUPLICATE_GROUP: Final = Fault("manifest.duplicate-group", 190006, "Instance group declared twice")
UNKNOWN_STEMCELL: Final = Fault("manifest.unknown-stemcell", 140005, "Unknown stemcell alias")
UNKNOWN_RELEASE: Final = Fault("manifest.unknown-release", 140002, "Unknown release")
DUPLICATE_JOB: Final = Fault("manifest.duplicate-job", 140010, "Job placed twice")
NO_JOBS: Final = Fault("manifest.no-jobs", 140010, "Instance group without jobs")
VM_SIZE: Final = Fault("manifest.vm-type-or-resources", 140022, "Instance group needs one of vm_type and vm_resources")
DISKS: Final = Fault("manifest.several-persistent-disks", 140013, "More than one way to a persistent disk")
MIGRATED_FROM: Final = Fault("manifest.bad-migrated-from", 190018, "Impossible migrated_from")
DUPLICATE_NETWORK_JOINED: Final = Fault("manifest.network-joined-twice", 150004, "Network joined twice")
DEFAULT_TWICE: Final = Fault("manifest.default-network-twice", 150004, "Default given to two networks")
DEFAULT_MISSING: Final = Fault("manifest.default-network-missing", 150005, "No default network chosen")
BAD_STATIC_IP: Final = Fault("manifest.bad-static-ip", 150009, "Static address that cannot be used")
STATIC_IP_COUNT: Final = Fault("manifest.static-ip-count", 150002, "Static addresses do not match instances")

# Addons, variables, features
ADDON_RELEASE: Final = Fault("addon.release-not-listed", 530002, "Addon's release is not listed")
ADDON_DEPLOYMENTS: Final = Fault("addon.deployments-in-manifest", 530006, "Deployment filter inside a deployment")
ADDON_DUPLICATE: Final = Fault("addon.duplicate", 440001, "Addon declared twice")
ADDON_COLOCATED: Final = Fault("addon.job-already-placed", 140010, "Addon's job is already on the group")
VARIABLE_DUPLICATE: Final = Fault("variables.duplicate", 190022, "Variable declared twice")
VARIABLE_FORMAT: Final = Fault("variables.invalid", 560000, "Variable that cannot be made")
VARIABLE_NAME: Final = Fault("variables.bad-name", 540004, "Variable with an impossible name")
FEATURES: Final = Fault("features.incompatible", 210001, "Features that exclude each other")

# Cloud config
NO_CLOUD: Final = Fault("cloud.none", 440001, "No cloud config")
CLOUD_EMPTY: Final = Fault("cloud.empty", 440001, "Cloud config declares nothing")
CLOUD_SECTION_MISSING: Final = Fault("cloud.missing-section", 40001, "Cloud config lacks a section")
NO_NETWORKS: Final = Fault("cloud.no-networks", 190008, "No networks")
COMPILATION_TWICE: Final = Fault("cloud.compilation-twice", 570000, "Compilation in two cloud configs")
DUPLICATE_AZ: Final = Fault("cloud.duplicate-az", 190017, "Availability zone declared twice")
DUPLICATE_NETWORK: Final = Fault("cloud.duplicate-network", 190007, "Network declared twice")
DUPLICATE_VM_TYPE: Final = Fault("cloud.duplicate-vm-type", 190004, "VM type declared twice")
DUPLICATE_VM_EXTENSION: Final = Fault("cloud.duplicate-vm-extension", 190005, "VM extension declared twice")
DUPLICATE_DISK_TYPE: Final = Fault("cloud.duplicate-disk-type", 190013, "Disk type declared twice")
SUBNET_RANGE: Final = Fault("cloud.bad-range", 160002, "Subnet range that cannot be used")
SUBNET_GATEWAY: Final = Fault("cloud.bad-gateway", 160003, "Gateway that cannot be used")
SUBNET_DNS: Final = Fault("cloud.bad-dns", 160004, "DNS server is not an address")
SUBNET_RESERVED: Final = Fault("cloud.bad-reserved", 160005, "Reserved addresses outside the range")
SUBNET_STATIC: Final = Fault("cloud.bad-static", 160006, "Static addresses outside the range or reserved")
SUBNET_OVERLAP: Final = Fault("cloud.overlapping-subnets", 160001, "Subnets overlap")
SUBNET_AZ: Final = Fault("cloud.subnet-unknown-az", 160007, "Subnet in an unknown zone")
NETWORK_PROPERTY: Final = Fault("cloud.network-property", 160008, "Keys that exclude each other")
SUBNET_AZS_EMPTY: Final = Fault("cloud.subnet-azs-empty", 160009, "Subnet with an empty list of zones")
SUBNET_AZS_MIXED: Final = Fault("cloud.subnet-azs-mixed", 140016, "Only some subnets name zones")
COMPILATION_NETWORK: Final = Fault("cloud.compilation-network", 120001, "Compilation on an unknown network")
COMPILATION_AZ: Final = Fault("cloud.compilation-az", 120002, "Compilation in an unknown zone")
COMPILATION_AZ_COVER: Final = Fault("cloud.compilation-az-uncovered", 150006, "Compilation zone without a subnet")
COMPILATION_VM_TYPE: Final = Fault("cloud.compilation-vm-type", 120003, "Compilation with an unknown VM type")
COMPILATION_EXTENSION: Final = Fault("cloud.compilation-vm-extension", 120005, "Compilation with an unknown extension")
COMPILATION_EXTENSION_ALONE: Final = Fault("cloud.compilation-extension-alone", 120006, "Extensions without a VM type")
COMPILATION_VM: Final = Fault("cloud.compilation-vm", 120007, "More than one way to a compilation VM")

# Managed networks and network configs
FABRIC_KIND: Final = Fault("fabric.not-manual", 190010, "Managed network of another type")
FABRIC_KEYS: Final = Fault("fabric.keys-exclude-each-other", 160008, "Keys of a network fabric that exclude each other")
FABRIC_NEEDS: Final = Fault("fabric.missing-need", 40001, "Network lacks what it asks for needs")
FABRIC_ADDRESS: Final = Fault("fabric.bad-address", 160010, "Address or block that cannot be used")
FABRIC_PORT: Final = Fault("fabric.bad-port", 40005, "Port that cannot be used")
FABRIC_VLAN: Final = Fault("fabric.bad-vlan", 40005, "VLAN that cannot be used")
FABRIC_SERVICE: Final = Fault("fabric.bad-service", 40005, "Service that cannot be read")
FABRIC_TWICE: Final = Fault("fabric.duplicate-name", 440001, "Network object declared twice")
FABRIC_UNKNOWN: Final = Fault("fabric.unknown-name", 440001, "Network object that is not declared")
FABRIC_NAT: Final = Fault("fabric.bad-nat-rule", 40005, "NAT rule that cannot be made")
FABRIC_CARVED: Final = Fault("fabric.address-in-unknown-range", 160002, "Address in a range not chosen yet")

# CPI config
CPI_DUPLICATE: Final = Fault("cpi.duplicate", 550000, "CPI name given twice")
CPI_VARIABLE: Final = Fault("cpi.relative-variable", 540004, "Variable of a CPI config without an absolute name")

# Resurrection config
RULE_EMPTY: Final = Fault("resurrection.empty-filter", 440001, "Filter that chooses nothing in particular")
RULE_NEVER: Final = Fault("resurrection.never-applies", 440001, "Rule that never applies")

# Runtime config
RUNTIME_LATEST: Final = Fault("runtime.latest-release", 530001, "Runtime release without a version")
RUNTIME_VERSION: Final = Fault("runtime.release-version", 530003, "Runtime release in another version")
RUNTIME_TAGS: Final = Fault("runtime.tags-twice", 530006, "Tags in two runtime configs")

# References from a deployment
UNKNOWN_NETWORK: Final = Fault("manifest.unknown-network", 150001, "Unknown network")
UNKNOWN_AZ: Final = Fault("manifest.unknown-az", 140018, "Unknown availability zone")
AZS_MISSING: Final = Fault("manifest.azs-required", 150006, "Network asks for zones")
AZ_UNCOVERED: Final = Fault("manifest.az-without-subnet", 150006, "Zone without a subnet")
UNKNOWN_VM_TYPE: Final = Fault("manifest.unknown-vm-type", 140004, "Unknown VM type")
UNKNOWN_VM_EXTENSION: Final = Fault("manifest.unknown-vm-extension", 140004, "Unknown VM extension")
UNKNOWN_DISK_TYPE: Final = Fault("manifest.unknown-disk-type", 140012, "Unknown disk type")
STEMCELL_NOT_UPLOADED: Final = Fault("manifest.stemcell-not-uploaded", 50003, "Stemcell is not uploaded")
RELEASE_NOT_UPLOADED: Final = Fault("manifest.release-not-uploaded", 30005, "Release is not uploaded")
RELEASE_VERSION: Final = Fault("manifest.release-version-not-uploaded", 30006, "Release version is not uploaded")
UNKNOWN_JOB: Final = Fault("manifest.unknown-job", 140029, "Release has no such job")
UNKNOWN_LINK: Final = Fault("manifest.unknown-link", 190016, "Job has no such link")
BAD_LINK: Final = Fault("manifest.bad-link", 190016, "Link that cannot be made")
UNKNOWN_PROPERTY: Final = Fault("manifest.unknown-property", 40004, "Property the job does not declare")
PROPERTY_NOT_A_MAP: Final = Fault("manifest.property-not-a-map", 40000, "Property where a map is needed")
PACKAGE_COLLISION: Final = Fault("manifest.package-collision", 80011, "Jobs need different packages of one name")
STATIC_ON_DYNAMIC: Final = Fault("manifest.static-on-dynamic", 150008, "Static address on a dynamic network")
STATIC_OUTSIDE: Final = Fault("manifest.static-ip-outside", 130012, "Static address outside every subnet")
STATIC_RESERVED: Final = Fault("manifest.static-ip-reserved", 130013, "Static address is reserved")
STATIC_NOT_STATIC: Final = Fault("manifest.static-ip-not-static", 150009, "Address outside the static ranges")
STATIC_WRONG_AZ: Final = Fault("manifest.static-ip-wrong-az", 150007, "Static address in another zone")
STATIC_TWICE: Final = Fault("manifest.static-ip-twice", 150009, "Static address given twice")
VIP_DEFAULT: Final = Fault("manifest.vip-default", 130007, "Default on a vip network")
VIP_ADDRESSES: Final = Fault("manifest.vip-addresses", 130014, "Addresses of a vip network")

# Ops files and placeholders
OPS_SHAPE: Final = Fault("ops.invalid", 440001, "Operation that cannot be read")
OPS_PATH: Final = Fault("ops.bad-path", 440001, "Path that cannot be read")
OPS_NOT_FOUND: Final = Fault("ops.not-found", 440001, "Path leads nowhere")
OPS_TEST: Final = Fault("ops.test-failed", 440001, "Test does not hold")
FILL_MISSING: Final = Fault("variables.missing", 540001, "Placeholder without a value")
FILL_UNUSED: Final = Fault("variables.unused", 540001, "Value that nothing uses")
FILL_SPLICE: Final = Fault("variables.bad-placement", 540007, "Value that cannot stand inside text")
FILL_SUBKEY: Final = Fault("variables.missing-part", 540001, "Value without the part asked for")
FILL_TOO_LARGE: Final = Fault("variables.too-large", 540001, "Values expand to too much")
