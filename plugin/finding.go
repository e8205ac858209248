package plugin

// A Finding is what an examination says of one thing, for the command doctor.
type Finding struct {
	Result Result
	Of     string // what was looked at ("the certificate of https://coder.example.com")
	Text   string // what was seen, and what to do about it
}

// Result is how good a Finding is.
type Result int

// The results. Only Wrong makes the command fail.
const (
	Good    Result = iota // it is as it should be
	Look                  // a person has to look: the text says where, and what each thing that is seen means
	Doubt                 // it works, but perhaps not for everybody, or not for long
	Wrong                 // it does not work
	Skipped               // it was not looked at; the text says why
)

// String returns the word that begins a line.
func (r Result) String() string {
	return [...]string{"ok", "look", "doubt", "WRONG", "skipped"}[r]
}
