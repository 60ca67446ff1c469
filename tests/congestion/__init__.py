"""Tests of objlib.congestion."""
