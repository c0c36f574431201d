package maintenance

// ParseSeen is for the fuzz test.
var ParseSeen = parseSeen
