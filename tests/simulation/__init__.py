"""What is done with the simulator: breaking the protocol, and crashing at every point."""
