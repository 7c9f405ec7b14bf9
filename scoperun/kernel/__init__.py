"""What the kernel shows: cgroup files, /proc, pidfds and the kernel's log. Reads only, but for `pressure_trigger`."""
