package memo_test

import (
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/understudy-host/understudy/pkg/memo"
)

// kept is a backend that two stores share as two processes would.
type kept struct {
	memo.Memory
	broken  error
	between func() // called between a load and a save
}

func (k *kept) Load(name string) ([]byte, int64, error) {
	value, version, err := k.Memory.Load(name)
	return value, version, errors.Join(err, k.broken)
}

func (k *kept) Save(name string, value []byte, version int64) (int64, error) {
	if f := k.between; f != nil {
		k.between = nil
		f()
	}
	if k.broken != nil {
		return 0, k.broken
	}
	return k.Memory.Save(name, value, version)
}

// value returns what is kept under a name.
func (k *kept) value(name string) string {
	value, _, _ := k.Memory.Load(name)
	return string(value)
}

type counter struct{ N int }

func of(t *testing.T, s *memo.Store, name string) *memo.Value[counter] {
	t.Helper()
	v, err := memo.Of(s, name, func() counter { return counter{100} })
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func add(v *memo.Value[counter], n int) (now int) {
	v.Do(func(c *counter) { c.N += n; now = c.N })
	return now
}

func store(t *testing.T, b memo.Backend) *memo.Store {
	return memo.New(b, func(name string, err error) { t.Errorf("%s: %v", name, err) })
}

func TestValueIsTheSameForEachGeneration(t *testing.T) {
	s := store(t, nil)
	a, b, other := of(t, s.Scope("a"), "n"), of(t, s.Scope("a"), "n"), of(t, s.Scope("b"), "n")
	if a != b || a == other {
		t.Error("a name means one value for its owner, and another one for other owners")
	}
	if add(a, 1); add(b, 1) != 102 || add(other, 0) != 100 {
		t.Error("a change is lost, or is in the value of another owner")
	}
	if _, err := memo.Of(s.Scope("a"), "n", func() string { return "" }); err == nil || !strings.Contains(err.Error(), `"a/n"`) {
		t.Errorf("another type for the same name: %v", err)
	}
	if v := of(t, nil, "n"); add(v, 1) != 101 {
		t.Error("without a store there is no value")
	}
}

func TestValueOutlivesTheProcess(t *testing.T) {
	b := new(kept)
	first := of(t, store(t, b), "n")
	add(first, 1)
	second := of(t, store(t, b), "n")
	if got := add(second, 1); got != 102 {
		t.Errorf("the next process has %d, want 102", got)
	}
	if got := add(first, 1); got != 103 {
		t.Errorf("the process before has %d, want 103: they share the value while both run", got)
	}
}

func TestChangesAtTheSameMomentAreBothKept(t *testing.T) {
	b := new(kept)
	first, second := of(t, store(t, b), "n"), of(t, store(t, b), "n")
	b.between = func() { add(second, 10) }
	if got := add(first, 1); got != 111 {
		t.Errorf("%d, want 111", got)
	}
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() { add(first, 1) })
		all.Go(func() { add(second, 1) })
	}
	all.Wait()
	if got := add(first, 0); got != 211 {
		t.Errorf("%d, want 211", got)
	}
}

func TestTwoProcessesCreateOneValue(t *testing.T) {
	b := new(kept)
	var second *memo.Value[string]
	create := func(text string) func() string { return func() string { return text } }
	b.between = func() { second, _ = memo.Of(store(t, b), "key", create("second")) }
	first, err := memo.Of(store(t, b), "key", create("first"))
	if err != nil {
		t.Fatal(err)
	}
	var one, two string
	first.Do(func(s *string) { one = *s })
	second.Do(func(s *string) { two = *s })
	if one != "second" || two != "second" {
		t.Errorf("%s and %s, want the one that was kept first", one, two)
	}
}

func TestValueThatDoesNotFitIsBegunAnew(t *testing.T) {
	b := new(kept)
	if _, err := b.Save("n", []byte(`{"N":"very-secret"}`), 0); err != nil {
		t.Fatal(err)
	}
	var said string
	v := of(t, memo.New(b, func(name string, err error) { said += name + ": " + err.Error() }), "n")
	if got := add(v, 1); got != 101 || b.value("n") != `{"N":101}` {
		t.Errorf("%d, kept is %s", got, b.value("n"))
	}
	if !strings.Contains(said, "field N is no int") || strings.Contains(said, "secret") {
		t.Errorf("the report is %q, want the field and not what it held", said)
	}
}

func TestValueWorksOnIfItCannotBeKept(t *testing.T) {
	b := new(kept)
	var said []error
	s := memo.New(b, func(_ string, err error) { said = append(said, err) })
	v := of(t, s, "n")
	b.broken = errors.New("gone")
	if add(v, 1); add(v, 1) != 102 {
		t.Error("the value does not count")
	}
	if len(said) == 0 || !errors.Is(said[0], b.broken) {
		t.Errorf("nobody was told: %v", said)
	}
	b.broken = nil
	if add(v, 1); b.value("n") != `{"N":103}` {
		t.Errorf("kept is %s", b.value("n"))
	}
	functions, err := memo.Of(s, "f", func() func() { return func() {} })
	if err != nil {
		t.Fatal(err)
	}
	if functions.Do(func(*func()) {}); len(said) < 5 {
		t.Errorf("nobody was told that code cannot be kept: %v", said)
	}
}

func TestKeptValuesAreLimited(t *testing.T) {
	var m memo.Memory
	if _, err := m.Save("large", make([]byte, memo.MaxValue+1), 0); err == nil || !strings.Contains(err.Error(), "expected at most") {
		t.Errorf("a large value: %v", err)
	}
	var err error
	for i := 0; err == nil && i < 10_000; i++ {
		_, err = m.Save(strconv.Itoa(i), nil, 0)
	}
	if err == nil {
		t.Error("there is no limit on the number of values")
	}
	if _, err := m.Save("0", []byte("1"), 1); err != nil {
		t.Errorf("at the limit: %v", err)
	}
}
