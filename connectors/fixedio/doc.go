// Package fixedio reads files of fixed-width fields, as mainframes write them, as record batches.
//
// Nouns. A record is a line, or, where [Layout].RecordLength is set, as many bytes; line breaks between such records are passed over, and none
// need be there. A [Layout] says where each [Column] stands, counted from 1: in characters of a line, in bytes of a record of set length. A record
// type is a text at one place ([Layout].Type) that tells header, rows and trailer apart. A [Check] is a number of a trailer or header that counts
// records or adds up a column.
//
// # Values
//
// Every column is text: of a number the decimal digits with point and sign, so that nothing is rounded and a rule's own reading applies. number
// is digits with a sign before or behind; zoned has the sign in its last digit (overpunch: { A–I plus, } J–R minus, p–y minus as ASCII programs have
// it); packed has two digits a byte and the sign in the last half (COMP-3). decimals sets the point. A blank field is null. A column of
// another record type keeps its last value: an account of the header comes with each row.
//
// # Malformed files
//
// A record of an unknown type, one that is too short, a number that is none and a text that its encoding does not have are malformed. Without
// Options.OnReject the first refuses its file, with its name, line and reason; with it they are set apart and counted: rows + rejects are all records
// that are to be rows, and those that could not be told. A check that does not come out refuses the file, or is a reject where records are set
// apart. A file that ends without the record of a check does not come out.
//
// Invariants: a file is one split; rows are in its order and depend on nothing but its bytes and the layout. Memory is a batch and a record.
//
// What is not read: record descriptor words (variable lengths), EBCDIC that is cut into lines, signs in the first digit, code pages
// other than 037.
//
// Errors: a layout that cannot work and a refused file are fault.Usage; storage errors keep their kind.
package fixedio
