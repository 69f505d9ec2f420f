"""Echo training as a Flower app."""
