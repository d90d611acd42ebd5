"""The worker's side: all that trains, judges and describes networks. Heavy."""
