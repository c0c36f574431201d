package housekeeping

// Rules are all rules, in the order in which a newcomer would meet them.
var Rules = []Rule{
	{"imports", Imports},
	{"package-docs", PackageDocs},
	{"documented", Documented},
	{"examples", Examples},
	{"panics", Panics},
	{"inits", Inits},
	{"ignored", Ignored},
	{"floats", Floats},
	{"clock", Clock},
	{"fuzzed", Fuzzed},
	{"wire", Wire},
	{"words", Words},
	{"doc-commands", DocCommands},
	{"doc-names", DocNames},
	{"sleeps", Sleeps},
	{"skips", Skips},
}
