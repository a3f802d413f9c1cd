"""The proof of "exactly once": crashes and faults in every combination, and what must hold after them."""
