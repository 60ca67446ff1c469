"""Tests of what is asked and answered."""
