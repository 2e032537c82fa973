{{/* Parts that the pods of all workers and the job of topics apply share. */}}

{{- define "relay.name" -}}
{{- printf "%s-%s" .Release.Name .worker | trunc 52 | trimSuffix "-" -}}
{{- end }}

{{- define "relay.labels" -}}
app.kubernetes.io/name: order-relay
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: {{ .worker }}
{{- end }}

{{- define "relay.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "relay.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "relay.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* Variables and the file paths of mounted ones, each name once: X and X_FILE together would be refused.
     A mounted X goes before a plain one. Arguments: environ, secrets. */}}
{{- define "relay.environ" -}}
{{- range $name, $value := .environ }}
{{- if not (hasKey $.secrets $name) }}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- end }}
{{- range $name, $from := .secrets }}
{{- if not (hasKey $.environ (printf "%s_FILE" $name)) }}
- {name: {{ $name }}_FILE, value: /run/secrets/relay/{{ $name }}}
{{- end }}
{{- end }}
{{- end }}

{{- define "relay.mounts" -}}
- {name: secrets, mountPath: /run/secrets/relay, readOnly: true}
{{- if .Values.topology }}
- {name: topology, mountPath: /app/topics.yaml, subPath: topics.yaml, readOnly: true}
{{- end }}
{{- end }}

{{/* Volumes. Arguments: secrets, topologyMap, Values. */}}
{{- define "relay.volumes" -}}
- name: secrets
  projected:
    defaultMode: 0440
    sources:
      {{- range $variable, $from := .secrets }}
      - secret:
          name: {{ $from.name }}
          items: [{key: {{ $from.key | quote }}, path: {{ $variable }}}]
      {{- else }} []
      {{- end }}
{{- if .Values.topology }}
- name: topology
  configMap: {name: {{ .topologyMap }}}
{{- end }}
{{- end }}
