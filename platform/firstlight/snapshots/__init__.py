"""What serving knows: immutable versions, published by workers, held in memory by web processes."""
