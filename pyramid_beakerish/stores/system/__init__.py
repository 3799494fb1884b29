"""What stores need of the operating system: folders, locks, forks."""
