"""Tests of objlib.upload."""
