{{/*
A map as TOML. Helm's own toToml writes whole numbers as floats (4096.0), which countersign refuses; the JSON of a
string, number or truth value is TOML too. Tables that stand in lists are written on one line.
  {{ include "countersign.toml" (dict "value" $map) }}
*/}}
{{- define "countersign.toml" -}}
{{- $path := .path | default "" -}}
{{- $lines := list -}}
{{- $tables := list -}}
{{- range $name := keys .value | sortAlpha -}}
{{-   $item := get $.value $name -}}
{{-   if kindIs "map" $item -}}
{{-     $tables = append $tables $name -}}
{{-   else if not (kindIs "invalid" $item) -}}
{{-     $word := include "countersign.toml.name" $name -}}
{{-     $lines = append $lines (printf "%s = %s" $word (include "countersign.toml.item" $item)) -}}
{{-   end -}}
{{- end -}}
{{- $blocks := list -}}
{{- if and $path (or $lines (not $tables)) -}}
{{-   $lines = prepend $lines (printf "[%s]" $path) -}}
{{- end -}}
{{- if $lines -}}
{{-   $blocks = append $blocks (join "\n" $lines) -}}
{{- end -}}
{{- range $name := $tables -}}
{{-   $below := include "countersign.toml.name" $name -}}
{{-   if $path }}{{ $below = printf "%s.%s" $path $below }}{{ end -}}
{{-   $blocks = append $blocks (include "countersign.toml" (dict "path" $below "value" (get $.value $name))) -}}
{{- end -}}
{{- join "\n\n" $blocks -}}
{{- end -}}

{{- define "countersign.toml.name" -}}
{{- if regexMatch "^[A-Za-z0-9_-]+$" . }}{{ . }}{{ else }}{{ toRawJson . }}{{ end -}}
{{- end -}}

{{- define "countersign.toml.item" -}}
{{- if kindIs "map" . -}}
{{-   $items := list -}}
{{-   range $name := keys . | sortAlpha -}}
{{-     $word := include "countersign.toml.name" $name -}}
{{-     $items = append $items (printf "%s = %s" $word (include "countersign.toml.item" (get $ $name))) -}}
{{-   end -}}
{{-   printf "{ %s }" (join ", " $items) -}}
{{- else if kindIs "slice" . -}}
{{-   $items := list -}}
{{-   range . }}{{ $items = append $items (include "countersign.toml.item" .) }}{{ end -}}
{{-   printf "[%s]" (join ", " $items) -}}
{{- else -}}
{{-   toRawJson . -}}
{{- end -}}
{{- end -}}

{{/* A map of the values without what a later file of values has taken away with `null`, as JSON. */}}
{{- define "countersign.given" -}}
{{- $kept := dict -}}
{{- range $name, $item := . -}}
{{-   if kindIs "map" $item -}}
{{-     $_ := set $kept $name (include "countersign.given" $item | fromJson) -}}
{{-   else if not (kindIs "invalid" $item) -}}
{{-     $_ := set $kept $name $item -}}
{{-   end -}}
{{- end -}}
{{- toJson $kept -}}
{{- end -}}
