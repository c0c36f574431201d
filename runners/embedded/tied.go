package embedded

import "os/exec"

// StartTied starts a process that is killed when this one dies (on Linux), so that to kill the one is to kill the work. The channel gets the
// result of Wait, once; the caller does not call Wait.
func StartTied(cmd *exec.Cmd) (<-chan error, error) { return startTied(cmd) }
