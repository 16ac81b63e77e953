"""The node: offers this machine to peers, decides which jobs it takes, runs them and signs for them."""
