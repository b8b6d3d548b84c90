package relrun

// CaptureTree records a directory of the step (/in/NAME, /out/NAME, /tmp/…) as a tree, and gives its digest in hexadecimal.
func CaptureTree(dir string) (string, error) { return host().Capture(dir) }

// RestoreTree lays a tree into an empty or missing directory of the step.
func RestoreTree(digest, dir string) error { return host().Restore(digest, dir) }
