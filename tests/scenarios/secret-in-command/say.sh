echo "raw: $TOKEN"
echo "base64: $(printf %s "$TOKEN" | base64)"
echo "base64 of more: $(printf 'user:%s' "$TOKEN" | base64)"
echo "url: $(printf %s "$TOKEN" | sed 's,/,%2F,g; s,",%22,g; s,+,%2B,g; s, ,%20,g')"
echo "json: $(printf %s "$TOKEN" | sed 's,",\\",g')"
printf 'two writes: %s' "${TOKEN%t*}"
sleep 0.1
printf 't%s\n' "${TOKEN##*t}"
echo "what a command leaves: $TOKEN" > left
