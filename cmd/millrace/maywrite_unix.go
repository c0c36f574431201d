//go:build linux || darwin

package main

import "syscall"

// mayWrite reports whether this user may write below a folder; the folder is not touched.
func mayWrite(dir string) bool {
	const write = 2 // W_OK of access(2)
	return syscall.Access(dir, write) == nil
}
