"""Tests of objlib.reactive."""
