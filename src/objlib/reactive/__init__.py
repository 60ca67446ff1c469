"""Operators that ReactiveX lacks, and nothing of files or Gemini."""
