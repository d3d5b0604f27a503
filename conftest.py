"""Loads the plugin, nothing else."""

pytest_plugins = ["opsverify.plugin"]
