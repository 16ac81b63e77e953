"""The parent's side: starts worker processes, talks with them, and ends them."""
