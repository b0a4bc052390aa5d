"""What `orbdo COMMAND` runs; the only part of the server that may use the client."""
