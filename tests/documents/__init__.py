"""Tests of objlib.documents."""
