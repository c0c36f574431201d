package embedded

// ParsePolicy is for tests.
var ParsePolicy = parsePolicy
