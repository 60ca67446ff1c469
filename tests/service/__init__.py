"""Tests of objlib.service."""
