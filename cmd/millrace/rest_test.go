package main

import "github.com/rogpeppe/go-internal/testscript"

func startREST(ts *testscript.TestScript) string { return "" }
