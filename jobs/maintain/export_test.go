package maintain

// FromSettings is for tests.
var FromSettings = fromSettings
