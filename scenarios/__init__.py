"""Scenario definitions, one TOML file each; ``suites.toml`` groups them."""
