{{/* Call with (list $ "web"): labels of a tier; component says which. */}}
{{- define "rubis.name" -}}
{{ include "outsock.fullname" (index . 0) }}-rubis-{{ index . 1 }}
{{- end -}}

{{- define "rubis.selector" -}}
{{ include "outsock.selector" (list (index . 0) (printf "rubis-%s" (index . 1))) }}
{{- end -}}

{{/* What the tiers share; affinity is by these. */}}
{{- define "rubis.together" -}}
app.kubernetes.io/instance: {{ .Release.Name }}
outsock.dev/application: rubis
{{- end -}}

{{- define "rubis.labels" -}}
{{ include "outsock.labels" (list (index . 0) (printf "rubis-%s" (index . 1))) }}
outsock.dev/application: rubis
{{- end -}}

{{- define "rubis.outsourced" -}}
{{- if eq .Values.rubis.mode "outsourced" }}true{{ end -}}
{{- end -}}

{{/* Without versions: a new chart alone does not restart a tier. */}}
{{- define "rubis.podLabels" -}}
{{ include "rubis.selector" . }}
outsock.dev/application: rubis
{{- end -}}

{{/* Everything of a pod but its containers and volumes of its own. */}}
{{- define "rubis.podSpec" -}}
{{- $root := index . 0 -}}
{{- $tier := index . 1 -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with include "outsock.pullSecrets" $root }}{{ . }}{{ end }}
securityContext: {{- include "outsock.restrictedPod" $root | nindent 2 }}
nodeSelector: {{- merge (dict) $root.Values.rubis.nodeSelector (dict "kubernetes.io/os" "linux") | toYaml | nindent 2 }}
{{- with $root.Values.rubis.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
affinity: {{- include "rubis.affinity" . | nindent 2 }}
{{- end -}}

{{/*
one-node: each pod goes where another of RUBiS is; the first goes anywhere.
spread: the application tier keeps away from the other two, which attract each other, so both hops
between tiers cross nodes and two nodes suffice.
*/}}
{{- define "rubis.affinity" -}}
{{- $root := index . 0 -}}
{{- $tier := index . 1 -}}
{{- if eq $root.Values.rubis.placement "one-node" -}}
podAffinity:
  requiredDuringSchedulingIgnoredDuringExecution:
    - topologyKey: kubernetes.io/hostname
      labelSelector:
        matchLabels: {{- include "rubis.together" $root | nindent 10 }}
{{- else -}}
{{- $others := ternary (list "rubis-web" "rubis-db") (list "rubis-app") (eq $tier "app") -}}
podAntiAffinity:
  requiredDuringSchedulingIgnoredDuringExecution:
    - topologyKey: kubernetes.io/hostname
      labelSelector:
        matchLabels: {{- include "rubis.together" $root | nindent 10 }}
        matchExpressions:
          - { key: app.kubernetes.io/component, operator: In, values: {{ toJson $others }} }
{{- if ne $tier "app" }}
podAffinity:
  preferredDuringSchedulingIgnoredDuringExecution:
    - weight: 100
      podAffinityTerm:
        topologyKey: kubernetes.io/hostname
        labelSelector:
          matchLabels: {{- include "rubis.together" $root | nindent 12 }}
          matchExpressions:
            - { key: app.kubernetes.io/component, operator: In, values: [rubis-web, rubis-db] }
{{- end }}
{{- end -}}
{{- end -}}

{{/*
What the webhook would add. RUBiS has it in the chart, because the webhook has no certificate yet
when the release's own pods are made: they would start natively.
*/}}
{{- define "rubis.guestEnv" -}}
{{- if include "rubis.outsourced" (index . 0) }}
- { name: NODE_OPTIONS, value: --require /run/outsock/runtime/runtime.cjs }
- name: OUTSOCK_GUEST
  value: {{ dict "agent" "/run/outsock/agent/agent.sock" "pod" true "container" (index . 1) | toJson | squote }}
{{- end }}
{{- end -}}
{{- define "rubis.guestMount" -}}
{{- if include "rubis.outsourced" . }}
- { name: outsock, mountPath: /run/outsock, readOnly: true }
{{- end }}
{{- end -}}
{{- define "rubis.guestVolume" -}}
{{- if include "rubis.outsourced" . }}
- name: outsock
  csi: { driver: shm.outsock.dev }
{{- end }}
{{- end -}}

{{- define "rubis.ownDatabase" -}}
{{- with .Values.rubis }}
{{- if and .enabled (not .app.databaseUrl) (not .app.databaseUrlSecret.name) }}true{{ end -}}
{{- end -}}
{{- end -}}
