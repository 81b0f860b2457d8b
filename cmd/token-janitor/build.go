package main

import (
	"fmt"
	"runtime/debug"

	"github.com/hyphagraph/token-janitor/metrics"
)

// build is what the linker knows of this binary.
func build() metrics.Build {
	b := metrics.Build{Version: "(devel)", GoVersion: "unknown", Revision: "unknown"}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	b.GoVersion = info.GoVersion
	if info.Main.Version != "" {
		b.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			b.Revision = s.Value
		}
	}
	return b
}

func describe(b metrics.Build) string {
	return fmt.Sprintf("%s (%s, revision %s)", b.Version, b.GoVersion, b.Revision)
}
