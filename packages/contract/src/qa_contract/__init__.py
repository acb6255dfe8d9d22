"""What the packages agree on: tables, prompts, scoring of answers, command lines and pages."""
