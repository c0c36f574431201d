package catalog

// WithoutPassword is for tests.
var WithoutPassword = withoutPassword
