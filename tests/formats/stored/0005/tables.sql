CREATE TABLE addresses (
    ip VARCHAR(255) NOT NULL,
    instance VARCHAR(255) NOT NULL,
    deployment VARCHAR(255) NOT NULL,
    network VARCHAR(255) NOT NULL,
    PRIMARY KEY (ip)
);
CREATE INDEX ix_addresses_deployment ON addresses (deployment);
CREATE INDEX ix_addresses_instance ON addresses (instance);
CREATE TABLE agents (
    id VARCHAR(255) NOT NULL,
    deployment VARCHAR(255) NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX ix_agents_deployment ON agents (deployment);
CREATE TABLE compiled (
    "key" VARCHAR(255) NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY ("key")
);
CREATE TABLE configs (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    type VARCHAR(255) NOT NULL,
    name VARCHAR(255) NOT NULL,
    content TEXT NOT NULL,
    created_at FLOAT NOT NULL,
    is_hidden INTEGER NOT NULL
);
CREATE INDEX ix_configs_type_name ON configs (type, name);
CREATE TABLE deployments (
    name VARCHAR(255) NOT NULL,
    serial INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (name)
);
CREATE TABLE disks (
    name VARCHAR(255) NOT NULL,
    deployment VARCHAR(255) NOT NULL,
    instance VARCHAR(255),
    state VARCHAR(255) NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (name)
);
CREATE INDEX ix_disks_deployment ON disks (deployment);
CREATE TABLE events (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    at FLOAT NOT NULL,
    task INTEGER,
    deployment VARCHAR(255),
    instance VARCHAR(255),
    user TEXT NOT NULL,
    action VARCHAR(255) NOT NULL,
    object_type VARCHAR(255) NOT NULL,
    object_name TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX ix_events_at ON events (at);
CREATE INDEX ix_events_deployment ON events (deployment);
CREATE INDEX ix_events_task ON events (task);
CREATE TABLE instances (
    id VARCHAR(255) NOT NULL,
    deployment VARCHAR(255) NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX ix_instances_deployment ON instances (deployment);
CREATE TABLE intents (
    task INTEGER NOT NULL,
    step VARCHAR(510) NOT NULL,
    deployment VARCHAR(255) NOT NULL,
    is_open INTEGER NOT NULL,
    closed_at FLOAT,
    result TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (task, step)
);
CREATE INDEX ix_intents_deployment ON intents (deployment);
CREATE INDEX ix_intents_is_open ON intents (is_open);
CREATE TABLE plans (
    seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    id VARCHAR(255) NOT NULL,
    deployment VARCHAR(255) NOT NULL,
    task INTEGER NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (id)
);
CREATE INDEX ix_plans_deployment ON plans (deployment);
CREATE INDEX ix_plans_task ON plans (task);
CREATE TABLE releases (
    name VARCHAR(255) NOT NULL,
    version VARCHAR(255) NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (name, version)
);
CREATE TABLE settings (
    name VARCHAR(255) NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (name)
);
CREATE TABLE stack_claims (
    claim VARCHAR(255) NOT NULL,
    stack VARCHAR(255) NOT NULL,
    PRIMARY KEY (claim)
);
CREATE INDEX ix_stack_claims_stack ON stack_claims (stack);
CREATE TABLE stack_users (
    stack VARCHAR(255) NOT NULL,
    deployment VARCHAR(255) NOT NULL,
    PRIMARY KEY (stack, deployment)
);
CREATE INDEX ix_stack_users_deployment ON stack_users (deployment);
CREATE TABLE stacks (
    name VARCHAR(255) NOT NULL,
    cpi VARCHAR(255) NOT NULL,
    owner VARCHAR(255) NOT NULL,
    network VARCHAR(255),
    state VARCHAR(255) NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (name)
);
CREATE TABLE stemcells (
    name VARCHAR(255) NOT NULL,
    version VARCHAR(255) NOT NULL,
    cpi VARCHAR(255) NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (name, version, cpi)
);
CREATE TABLE tasks (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    type VARCHAR(255) NOT NULL,
    state VARCHAR(255) NOT NULL,
    deployment VARCHAR(255),
    context_id VARCHAR(255) NOT NULL,
    changed_at FLOAT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX ix_tasks_changed_at ON tasks (changed_at);
CREATE INDEX ix_tasks_deployment ON tasks (deployment);
CREATE INDEX ix_tasks_state ON tasks (state);
CREATE TABLE variables (
    deployment VARCHAR(255) NOT NULL,
    name VARCHAR(255) NOT NULL,
    id VARCHAR(255) NOT NULL,
    type VARCHAR(255) NOT NULL,
    options_digest VARCHAR(255) NOT NULL,
    sealed BLOB NOT NULL,
    created_at FLOAT NOT NULL,
    PRIMARY KEY (deployment, name)
);
CREATE TABLE vms (
    name VARCHAR(255) NOT NULL,
    deployment VARCHAR(255) NOT NULL,
    instance VARCHAR(255) NOT NULL,
    state VARCHAR(255) NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (name)
);
CREATE INDEX ix_vms_deployment ON vms (deployment);
