"""What the program says about itself: log and run summary."""
