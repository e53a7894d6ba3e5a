"""HTTP in, values out, as BOSH's Director speaks it; one file per noun, handlers short."""
