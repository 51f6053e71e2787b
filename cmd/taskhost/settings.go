package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/providers/posflag"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"
)

// kubernetes are the variables that it sets for a service named taskhost.
var kubernetes = regexp.MustCompile(`^TASKHOST_(PORT|SERVICE)(_|$)`)

const (
	envPrefix = "TASKHOST_"
	// envTests is the prefix of variables that are for the project's tests.
	envTests    = "TASKHOST_TEST_"
	defaultFile = "taskhost.yaml"

	originEnv  = "environment"
	originFlag = "flag"
)

// settings are the program's choices, after all places where they can be made.
type settings struct {
	AllowUnsafe        bool              `koanf:"allow_unsafe_database"`
	Database           string            `koanf:"database"`
	DataDir            string            `koanf:"data_dir"`
	EncryptKeyFile     string            `koanf:"encrypt_key_file"`
	EncryptKeys        keyList           `koanf:"encrypt_keys"`
	Events             eventSettings     `koanf:"events"`
	Isolation          string            `koanf:"isolation"`
	Limits             limitSettings     `koanf:"limits"`
	Listen             string            `koanf:"listen"`
	LogFormat          string            `koanf:"log_format"`
	LogLevel           string            `koanf:"log_level"`
	MaxConcurrentTasks int               `koanf:"max_concurrent_tasks"`
	MaxSyncThreads     int               `koanf:"max_sync_threads"`
	MaxWasmWorkers     int               `koanf:"max_wasm_workers"`
	MigrateAtStart     bool              `koanf:"migrate_at_start"`
	ModuleVersionsKept int               `koanf:"module_versions_kept"`
	Output             string            `koanf:"output"`
	RequireIsolation   bool              `koanf:"require_isolation"`
	Retention          retentionSettings `koanf:"retention"`
	Schema             string            `koanf:"schema"`
	Server             string            `koanf:"server"`
	ShutdownTimeout    time.Duration     `koanf:"shutdown_timeout"`
	Token              string            `koanf:"token"`

	// origins says for each key where its value came from.
	origins map[string]string
}

// defaults returns every key there is. A zero stands for the default of
// taskhost.Config.
func defaults(getenv func(string) string) map[string]any {
	all := map[string]any{
		"allow_unsafe_database": false,
		"database":              "",
		"data_dir":              stateDir(getenv),
		"encrypt_key_file":      "",
		"encrypt_keys":          "",
		"isolation":             "worker",
		"listen":                "127.0.0.1:7420",
		"log_format":            "",
		"log_level":             "info",
		"max_concurrent_tasks":  0,
		"max_sync_threads":      0,
		"max_wasm_workers":      0,
		"migrate_at_start":      true,
		"module_versions_kept":  0,
		"output":                "table",
		"require_isolation":     false,
		"schema":                "taskhost",
		"server":                "",
		"shutdown_timeout":      "30s",
		"token":                 "",
	}
	maps.Copy(all, limitDefaults())
	maps.Copy(all, retentionDefaults())
	maps.Copy(all, eventDefaults())
	return all
}

// stateDir is where programs keep state on this system.
func stateDir(getenv func(string) string) string {
	if dir := getenv("XDG_STATE_HOME"); dir != "" {
		return filepath.Join(dir, "taskhost")
	}
	switch runtime.GOOS {
	case "windows":
		return filepath.Join(getenv("LOCALAPPDATA"), "taskhost")
	case "darwin":
		return filepath.Join(getenv("HOME"), "Library", "Application Support", "taskhost")
	default:
		if getenv("HOME") == "" {
			return ""
		}
		return filepath.Join(getenv("HOME"), ".local", "state", "taskhost")
	}
}

// layer is one place where settings come from.
type layer struct {
	origin string
	values *koanf.Koanf
}

// loadSettings reads all layers: flags over variables over the file over
// defaults.
func loadSettings(flags *pflag.FlagSet, environ []string) (*settings, error) {
	getenv := lookup(environ)
	known := defaults(getenv)
	layers := []layer{{"default", koanf.New(".")}}
	if err := layers[0].values.Load(confmap.Provider(known, "."), nil); err != nil {
		return nil, err
	}
	fromFile, err := fileLayer(flags)
	if err != nil {
		return nil, err
	}
	fromEnv, err := envLayer(environ, known)
	if err != nil {
		return nil, err
	}
	fromFlags, err := flagLayer(flags, known)
	if err != nil {
		return nil, err
	}
	layers = append(layers, fromFile...)
	layers = append(layers, fromEnv, fromFlags)

	merged := koanf.New(".")
	origins := make(map[string]string)
	for _, l := range layers {
		if err := spreadRetention(l.values); err != nil {
			return nil, usagef("%s: %w", l.origin, err)
		}
		for _, key := range l.values.Keys() {
			if _, ok := known[key]; !ok {
				return nil, usagef("%s: there is no setting %q: see 'taskhost config show' for those there are", l.origin, key)
			}
			origins[key] = l.origin
		}
		if err := merged.Merge(l.values); err != nil {
			return nil, err
		}
	}
	s := &settings{origins: origins}
	if err := merged.UnmarshalWithConf("", s, koanf.UnmarshalConf{DecoderConfig: &mapstructure.DecoderConfig{
		DecodeHook:       mapstructure.ComposeDecodeHookFunc(durationHook, sizeHook, keysHook),
		WeaklyTypedInput: true,
		Result:           s,
		TagName:          "koanf",
	}}); err != nil {
		return nil, usagef("settings: %w", err)
	}
	return s, s.validate()
}

// durationHook reads durations as Go writes them. A bare number would be
// nanoseconds, which nobody means.
func durationHook(from, to reflect.Type, value any) (any, error) {
	if to != reflect.TypeFor[time.Duration]() || from == to {
		return value, nil
	}
	d, err := time.ParseDuration(fmt.Sprint(value))
	if err != nil || d < 0 {
		return nil, fmt.Errorf("%q is no duration: write it with a unit, such as 30s or 1m30s", fmt.Sprint(value))
	}
	return d, nil
}

func lookup(environ []string) func(string) string {
	return func(name string) string {
		for _, entry := range slices.Backward(environ) {
			if value, ok := strings.CutPrefix(entry, name+"="); ok {
				return value
			}
		}
		return ""
	}
}

// settingKey is the key of a setting whose name was written without dots, as those of
// variables and flags are.
func settingKey(name string, known map[string]any) string {
	if name == retentionKey {
		return retentionAll
	}
	for key := range known {
		if strings.ReplaceAll(key, ".", "_") == name {
			return key
		}
	}
	return name
}

// fileLayer reads the file that --config names, or the one in the current
// directory if there is one.
func fileLayer(flags *pflag.FlagSet) ([]layer, error) {
	path, err := flags.GetString("config")
	if err != nil {
		return nil, err
	}
	if path == "" {
		if _, err := os.Stat(defaultFile); errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		path = defaultFile
	}
	values := koanf.New(".")
	if err := values.Load(file.Provider(path), yaml.Parser()); err != nil {
		return nil, usagef("read the settings in %s: %w", path, err)
	}
	return []layer{{path, values}}, nil
}

func envLayer(environ []string, known map[string]any) (layer, error) {
	values := koanf.New(".")
	err := values.Load(env.Provider(".", env.Opt{
		Prefix:      envPrefix,
		EnvironFunc: func() []string { return environ },
		TransformFunc: func(key, value string) (string, any) {
			if strings.HasPrefix(key, envTests) || kubernetes.MatchString(key) {
				return "", nil
			}
			return settingKey(strings.ToLower(strings.TrimPrefix(key, envPrefix)), known), value
		},
	}), nil)
	return layer{originEnv, values}, err
}

// flagLayer takes the flags that were given and are settings.
func flagLayer(flags *pflag.FlagSet, known map[string]any) (layer, error) {
	values := koanf.New(".")
	err := values.Load(posflag.ProviderWithFlag(flags, ".", nil, func(f *pflag.Flag) (string, any) {
		key := settingKey(strings.ReplaceAll(f.Name, "-", "_"), known)
		if _, ok := known[key]; !ok || !f.Changed {
			return "", nil
		}
		return key, f.Value.String()
	}), nil)
	return layer{originFlag, values}, err
}

func (s *settings) validate() error {
	switch {
	case s.Output != "table" && s.Output != "json":
		return usagef("output must be table or json, is %q", s.Output)
	case s.LogFormat != "" && s.LogFormat != "text" && s.LogFormat != "json":
		return usagef("log-format must be text or json, is %q", s.LogFormat)
	case s.DataDir == "":
		return usagef("the data directory is not known: give one with --data-dir")
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(s.LogLevel)); err != nil {
		return usagef("log-level must be debug, info, warn or error, is %q", s.LogLevel)
	}
	if err := s.Limits.ceilings().Validate(); err != nil {
		return &usageError{err}
	}
	if err := s.validateKept(); err != nil {
		return err
	}
	return s.validateDatabase()
}

func (s *settings) level() slog.Level {
	var level slog.Level
	_ = level.UnmarshalText([]byte(s.LogLevel)) // validate has tried it
	return level
}

// makeDataDir makes the data directory, for its owner only.
func (s *settings) makeDataDir() error {
	if err := os.MkdirAll(s.DataDir, 0o700); err != nil {
		return fmt.Errorf("make the data directory: %w: choose another with --data-dir", err)
	}
	return nil
}
