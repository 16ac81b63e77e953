"""What a boot mode's image is made of: its plugins, the distributions that they need, and what they ask for besides."""
