"""Work that cannot be lost: the row is the truth, the queue is a wake-up."""
