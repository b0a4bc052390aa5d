"""From the values of the core to the types of the wire: names and forms, no decisions."""
