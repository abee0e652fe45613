"""What each kernel of the core computes, in plain Python: slow, obviously right, the tests' oracle."""
