"""Who, what for, what it cost, and where it came from: values and rules over what is recorded."""
