(function () {
  "use strict";
  var bar = document.getElementById("filters");
  var said = document.getElementById("filtered");
  var results = Array.from(document.querySelectorAll("tbody[data-state]"));
  var lots = Array.from(document.querySelectorAll(".lot"));
  if (!bar) { return; }
  function apply() {
    var state = bar.elements.state.value;
    var severity = bar.elements.severity.value;
    var text = bar.elements.text.value.trim().toLowerCase();
    var seen = 0;
    results.forEach(function (each) {
      var fits = [
        state === "" ? true : each.dataset.state === state,
        severity === "" ? true : each.dataset.severity === severity,
        text === "" ? true : each.textContent.toLowerCase().includes(text)
      ].every(Boolean);
      each.hidden = !fits;
      seen += fits ? 1 : 0;
    });
    lots.forEach(function (lot) { lot.hidden = !lot.querySelector("tbody:not([hidden])"); });
    said.textContent = seen + " / " + results.length;
  }
  var waiting = 0;
  bar.addEventListener("input", function () {
    window.clearTimeout(waiting);
    waiting = window.setTimeout(apply, 150);
  });
  bar.addEventListener("submit", function (event) { event.preventDefault(); });
  bar.addEventListener("reset", function () { window.setTimeout(apply, 0); });
  bar.hidden = false;
}());
