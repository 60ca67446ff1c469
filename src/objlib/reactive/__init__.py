"""What ReactiveX lacks, and nothing of files or Gemini."""
