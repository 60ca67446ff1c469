"""Tests of objlib.gemini."""
