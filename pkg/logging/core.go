package logging

import (
	"slices"
	"sync"
	"sync/atomic"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// Sink is where the entries of the root logger and of all its children go. SetSecrets and Use may be called at any time.
type Sink struct {
	redactor
	settings atomic.Pointer[Settings]
	level    *zapcore.Level  // LOG_LEVEL, nil if it names none
	encoder  zapcore.Encoder // of the whole entry in JSON, or as fields
	fields   zapcore.Encoder // of fields alone
	hushed   atomic.Bool
	json     bool
	color    bool

	mu     sync.Mutex
	output zapcore.WriteSyncer
}

func newSink(o Options) *Sink {
	config := zap.NewProductionEncoderConfig()
	config.MessageKey, config.TimeKey, config.StacktraceKey = "message", "timestamp", "stack"
	config.EncodeTime = zapcore.TimeEncoderOfLayout("2006-01-02T15:04:05.000Z07:00")
	config.EncodeDuration = zapcore.StringDurationEncoder
	fields := zapcore.EncoderConfig{NameKey: config.NameKey, EncodeTime: config.EncodeTime, EncodeDuration: config.EncodeDuration, SkipLineEnding: true}
	sink := &Sink{output: o.Output, json: o.JSON, color: o.Color, encoder: zapcore.NewJSONEncoder(config), fields: zapcore.NewJSONEncoder(fields)}
	if !o.JSON {
		sink.encoder = sink.fields
	}
	sink.SetSecrets(nil)
	return sink
}

// Use puts settings into use, for all loggers from their next entry on.
func (s *Sink) Use(settings Settings) {
	if s.level != nil {
		settings.level = *s.level
	}
	settings.lowest = settings.level
	for _, o := range settings.overrides {
		settings.lowest = min(settings.lowest, o.level)
	}
	s.settings.Store(&settings)
}

// Hush keeps entries of level info back, or no longer: what is said at each start is not news to who has just seen it. Where
// people want more than info, it does nothing.
func (s *Sink) Hush(on bool) { s.hushed.Store(on) }

// write writes an entry whose fields are encoded, with a single write to the output.
func (s *Sink) write(entry *zapcore.Entry, encoded []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var line []byte
	if s.json {
		if line = Printable(s.striker.Load().strike(encoded), true); len(line) > maxLine {
			line = shorten(line)
		}
	} else {
		line = s.readable(entry, encoded)
	}
	_, err := s.output.Write(line)
	if entry.Level > zapcore.ErrorLevel {
		_ = s.output.Sync() // the program may be about to end
	}
	return err
}

// core is a logger's way to the sink. Its fields are encoded once for each settings.
type core struct {
	sink    *Sink
	fields  []zapcore.Field
	encoded atomic.Pointer[encodedFields]
}

// encodedFields has what settings add to each entry, and the fields of a core.
type encodedFields struct {
	settings *Settings
	encoder  zapcore.Encoder
}

func newCore(sink *Sink) *core {
	c := &core{sink: sink}
	c.encoded.Store(new(encodedFields))
	return c
}

// Enabled implements zapcore.Core.
func (c *core) Enabled(level zapcore.Level) bool {
	lowest := c.sink.settings.Load().lowest
	return level >= lowest && (level > zapcore.InfoLevel || lowest < zapcore.InfoLevel || !c.sink.hushed.Load())
}

// With implements zapcore.Core.
func (c *core) With(fields []zapcore.Field) zapcore.Core {
	fields = c.sink.frozen(fields)
	next := &core{sink: c.sink, fields: slices.Concat(c.fields, fields)}
	settings := c.sink.settings.Load()
	encoder := c.encoder(settings, new(zapcore.Entry), fields).Clone()
	addFields(encoder, fields)
	next.encoded.Store(&encodedFields{settings, encoder})
	return next
}

// Check implements zapcore.Core. Only Write knows all that an override may ask for.
func (c *core) Check(entry zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(entry.Level) {
		return checked.AddCore(entry, c)
	}
	return checked
}

// Write implements zapcore.Core.
func (c *core) Write(entry zapcore.Entry, fields []zapcore.Field) error {
	settings := c.sink.settings.Load()
	if len(settings.overrides) > 0 && !settings.writes(&record{entry, slices.Concat(settings.meta, c.fields, fields), c.sink}) {
		return nil
	}
	line, err := c.encoder(settings, &entry, fields).EncodeEntry(entry, fields)
	if err != nil {
		return err
	}
	defer line.Free()
	return c.sink.write(&entry, line.Bytes())
}

// Sync implements zapcore.Core.
func (c *core) Sync() error { return c.sink.output.Sync() }

// encoder returns the encoder for an entry with further fields. What the settings add gives way to what the entry has.
func (c *core) encoder(settings *Settings, entry *zapcore.Entry, fields []zapcore.Field) zapcore.Encoder {
	taken := func(added zapcore.Field) bool {
		return added.Key == "logger" && entry.LoggerName != "" || added.Key == "stack" && entry.Stack != "" || hasField(fields, added.Key)
	}
	if slices.ContainsFunc(settings.meta, taken) {
		return c.encode(slices.DeleteFunc(slices.Clone(settings.meta), taken))
	}
	encoded := c.encoded.Load()
	if encoded.settings != settings {
		encoded = &encodedFields{settings, c.encode(settings.meta)}
		c.encoded.Store(encoded)
	}
	return encoded.encoder
}

// encode returns an encoder with the fields of the core and with added ones, except those that it has itself.
func (c *core) encode(added []zapcore.Field) zapcore.Encoder {
	encoder := c.sink.encoder.Clone()
	addFields(encoder, slices.DeleteFunc(slices.Clone(added), func(f zapcore.Field) bool { return hasField(c.fields, f.Key) }))
	addFields(encoder, c.fields)
	return encoder
}

func addFields(encoder zapcore.Encoder, fields []zapcore.Field) {
	for _, field := range fields {
		field.AddTo(encoder)
	}
}

func hasField(fields []zapcore.Field, key string) bool {
	return slices.ContainsFunc(fields, func(f zapcore.Field) bool { return f.Key == key })
}
