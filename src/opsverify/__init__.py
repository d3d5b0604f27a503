"""Operational verification of live systems against their operations manual."""

__version__ = "0.1.0"
