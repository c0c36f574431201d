// Package markup reads the elements of XML and of OFX's SGML as a stream.
//
// Nouns. A token is the beginning or the end of an element, or a text. A [Scanner] gives one after the other, with the line and
// the byte on which it begins.
//
// In XML every element ends, in the order in which it began; names lose their prefix; references are replaced; comments,
// processing instructions and CDATA are understood; a document type is refused, because it can refer to files and grow
// without bound. In SGML an element may end without being closed, and a stray & is a character: telling which
// elements hold others is left to the caller.
//
// Invariants: the memory is that of the longest text, and the depth of the elements, both limited.
//
// Errors are *Error for what is not well-formed, else those of the reader.
package markup
